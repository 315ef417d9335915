"""pytest plugin: each test gets a bucket prefix of its own, so that a bucket which one test leaves behind
(locked, say) does not fail the clean-up before every later one."""
import random
import string

import pytest
import s3tests.functional as suite


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if suite.prefix is not None:
        letters = random.choices(string.ascii_lowercase + string.digits, k=20)
        suite.prefix = f"s3t-{''.join(letters)}-"
