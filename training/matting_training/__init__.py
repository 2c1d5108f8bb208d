"""Training of the matting U-Net: model, data, losses, metrics and the training loop."""
