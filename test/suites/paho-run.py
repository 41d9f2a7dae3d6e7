# Runs cases of the Eclipse Paho interoperability tests, which lie in a folder of their own, and prints one JSON line for
# each. What the tests' own main program sets up (addresses, topics) is set up here.
#
#   paho-run.py <folder interoperability> <module> <host> <port> [case ...]

import importlib
import json
import logging
import socket
import sys
import time
import traceback
import unittest

folder, name, host, port, *cases = sys.argv[1:]
sys.path.insert(0, folder)
logging.getLogger().setLevel(logging.ERROR)
real_stdout = sys.stdout
sys.stdout = sys.stderr
module = importlib.import_module(name)
module.host, module.port = host, int(port)
module.topics = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
module.wildtopics = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")
module.nosubscribe_topics = ("test/nosubscribe",)
module.topic_prefix = "client_test5/"
# The version 5 tests set the topics anew before they begin, to the same; their client waits for ever for a socket.
if hasattr(module, "setData"):
    module.setData = lambda: None
socket.setdefaulttimeout(10)


class Lines(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, test, outcome, error=None):
        line = {
            "case": test.id().split(".")[-1],
            "outcome": outcome,
            "seconds": round(time.monotonic() - self.began, 1),
            "error": None if error is None else "".join(traceback.format_exception(*error)),
        }
        print(json.dumps(line), file=real_stdout, flush=True)

    def addSuccess(self, test):
        self.say(test, "passed")

    def addFailure(self, test, error):
        self.say(test, "failed", error)

    def addError(self, test, error):
        if not hasattr(self, "began"):
            self.began = time.monotonic()
        self.say(test, "failed", error)


if cases:
    suite = unittest.TestSuite(module.Test(case) for case in cases)
else:
    found = unittest.TestLoader().getTestCaseNames(module.Test)
    # One of the 3.1.1 tests is not named as Python's loader would find it.
    names = found + [each for each in ("will_message_test",) if hasattr(module.Test, each)]
    suite = unittest.TestSuite(module.Test(case) for case in names)
suite.run(Lines())
