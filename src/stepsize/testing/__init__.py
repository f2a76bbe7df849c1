"""What others can test with: strategies of schedules, conformance suites."""
