"""The model on a Triton server, over gRPC or HTTP, with or without shared memory."""
