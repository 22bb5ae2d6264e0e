"""What is told of calls: to OpenTelemetry as spans and metrics, and to logs."""
