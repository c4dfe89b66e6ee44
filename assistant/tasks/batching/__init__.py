"""A template over thousands of records, each answered once, however often it is interrupted."""
