"""The matting U-Net."""
