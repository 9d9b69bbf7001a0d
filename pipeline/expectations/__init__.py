"""What a collection must be like to continue, as two Great Expectations suites.

Read `intake_suite.py` and `ready_suite.py` first. Great Expectations lives in this room only, and does the
checking; `page.py` draws the Data Docs from its results.
"""
