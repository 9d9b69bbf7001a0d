"""What a collection must be like to continue, as two Great Expectations suites.

Read `intake_suite.py` and `ready_suite.py` first. Only this package uses Great Expectations, which does the
checking. `page.py` draws the Data Docs from its results.
"""
