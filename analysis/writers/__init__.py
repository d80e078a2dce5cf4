"""One set of rows, many formats. A writer formats and never computes, so no two can disagree."""
