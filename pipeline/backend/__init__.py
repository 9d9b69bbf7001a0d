"""The only room that names a backend of Keras: device, precision, memory, streaming."""
