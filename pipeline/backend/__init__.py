"""The only package that names a backend of Keras: device, precision, memory, streaming, inference."""
