"""The service: photos by HTTP, answered by worker processes."""
