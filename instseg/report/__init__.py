"""Reports: one HTML file that opens offline, made of a few components."""
