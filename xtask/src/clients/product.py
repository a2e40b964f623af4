"""Segment's own library for Python, unmodified: what a product tells of its people, and what cannot be applied."""

import logging
import os
import sys

import segment.analytics as analytics

logging.basicConfig(level=logging.INFO, stream=sys.stdout)
failures = []
analytics.write_key = os.environ["WRITE_KEY"]
analytics.host = os.environ["ROSTER"]
analytics.gzip = os.environ["PACKED"] == "yes"
analytics.send = True
analytics.on_error = lambda error, items: failures.append(error)

user = os.environ["PERSON"]
analytics.identify(user, {"email": f"{user}@example.com", "name": user.title(), "plan": "pro"})
analytics.group(user, "delta", {"name": "Delta", "industry": "tea"})
analytics.track(user, "Report Opened", {"rows": 7}, context={"groupId": "delta"})
analytics.track(user, "Report Opened")
analytics.track(user, "Message Received")
analytics.page(user, "docs", "Start", {"url": "https://app.example.com/"})
analytics.screen(user, "app", "Home")
analytics.alias(f"visitor-{user}", user)
analytics.identify(user, {"company": {"id": "north", "name": "North"}})
analytics.identify(user, {"company": {"id": "north", "remove": True}})
# None of these can be applied: an event without a name, and somebody to be taken out of what nobody knows.
analytics.track(user, "\u0000")
analytics.identify(user, {"company": {"id": "nowhere", "remove": True}})
analytics.track(anonymous_id="visitor-9", event="Page Seen")
analytics.shutdown()
if failures:
    sys.exit(f"the library gave up: {failures}")
