// Segment's own library for Node, unmodified: what a product tells of its people, and what cannot be applied.
const { Analytics } = require("@segment/analytics-node");

const { WRITE_KEY, ROSTER, PERSON } = process.env;
const analytics = new Analytics({ writeKey: WRITE_KEY, host: ROSTER, flushAt: 5, maxRetries: 10 });
let failure;
analytics.on("error", (error) => {
  failure = error;
});

const userId = PERSON;
(async () => {
  const name = userId[0].toUpperCase() + userId.slice(1);
  analytics.identify({ userId, traits: { email: `${userId}@example.com`, name, plan: "pro" } });
  analytics.group({ userId, groupId: "delta", traits: { name: "Delta", industry: "tea" } });
  analytics.track({ userId, event: "Report Opened", properties: { rows: 7 }, context: { groupId: "delta" } });
  analytics.track({ userId, event: "Report Opened" });
  analytics.track({ userId, event: "Message Received" });
  analytics.page({ userId, category: "docs", name: "Start", properties: { url: "https://app.example.com/" } });
  analytics.screen({ userId, category: "app", name: "Home" });
  analytics.alias({ userId, previousId: `visitor-${userId}` });
  analytics.identify({ userId, traits: { company: { id: "north", name: "North" } } });
  analytics.identify({ userId, traits: { company: { id: "north", remove: true } } });
  // None of these can be applied: an event without a name, and somebody to be taken out of what nobody knows.
  analytics.track({ userId, event: "\u0000" });
  analytics.identify({ userId, traits: { company: { id: "nowhere", remove: true } } });
  analytics.track({ anonymousId: "visitor-9", event: "Page Seen" });
  await analytics.closeAndFlush({ timeout: 60000 });
  if (failure) {
    console.error(failure);
    process.exit(1);
  }
})();
