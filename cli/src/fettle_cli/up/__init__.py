"""`fettle up`: servers, services and the demo, brought up together and taken down together."""
