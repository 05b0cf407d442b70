"""Names of the constants of an exported detector that its users may change."""

THRESHOLDS, MAX_DETECTIONS = "score_thresholds", "max_detections"
