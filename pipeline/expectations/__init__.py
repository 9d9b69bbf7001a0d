"""What a collection must be like to go on, as two Great Expectations suites; read `suites.py` first.

`intake` is held against what validate saw, `ready` against what clean made. Great Expectations lives here
only, and does the checking; `page.py` draws the Data Docs from its results.
"""

from pipeline.expectations.checks import check_intake, check_ready
from pipeline.expectations.contents import intake_page, ready_page
from pipeline.expectations.page import write_docs
from pipeline.expectations.report import Finding, Report

__all__ = ["Finding", "Report", "check_intake", "check_ready", "intake_page", "ready_page", "write_docs"]
