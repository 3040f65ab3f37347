"""Contact data in one clean form: read by the exports, and by ingestion when records of one person are joined."""
