"""What tests share: the in-process recorder, the OTLP sink, and a way to run whole programs."""
