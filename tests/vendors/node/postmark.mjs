// postmark.js: the calls of Postmark's door.
import assert from "node:assert/strict";
import { Errors, ServerClient } from "postmark";
import { GIVEN, PDF, PNG, address, arrived, checkFiles, partial, rejected, step, unsupported, untilLimited } from "./steps.mjs";

const host = `${new URL(GIVEN.url).host}/compat/postmark`;
const connect = (key) => new ServerClient(key, { requestHost: host, useHttps: false });
const client = connect(GIVEN.key);
const From = `Demo <${GIVEN.sender}>`;
const build = (name, more = {}) => ({
  From, To: address(name), Subject: `Subject of ${name}`, HtmlBody: "<p>It works.</p>", MessageStream: "outbound", ...more,
});
let sent;

await step("send", "POST /email", async () => {
  const more = {
    Cc: address("cc"), ReplyTo: "answers@example.test", Tag: "receipt", Metadata: { order: "7" },
    Headers: [{ Name: "X-Shop", Value: "yes" }], TrackOpens: false, TrackLinks: "None",
  };
  sent = await client.sendEmail(build("send", more));
  assert.deepEqual([sent.ErrorCode, sent.Message, sent.To], [0, "OK", address("send")]);
  const headers = Object.fromEntries((await arrived(address("send"))).headers.map(([name, value]) => [name.toLowerCase(), value]));
  assert.ok(headers["message-id"].includes(sent.MessageID));
  assert.deepEqual([headers["x-shop"], headers["reply-to"]], ["yes", "answers@example.test"]);
});

await step("files", "POST /email", async () => {
  const Attachments = [
    { Name: "a.pdf", Content: PDF.toString("base64"), ContentType: "application/pdf" },
    { Name: "logo.png", Content: PNG.toString("base64"), ContentType: "image/png", ContentID: "cid:logo" },
  ];
  await client.sendEmail(build("files", { HtmlBody: '<img src="cid:logo">', Attachments }));
  checkFiles(await arrived(address("files")), ["a.pdf", "logo.png"]);
});

await step("batch", "POST /email/batch", async () => {
  const answers = await client.sendEmailBatch([build("one"), build("bad", { To: "nobody" })]);
  assert.deepEqual(answers.map((answer) => answer.ErrorCode), [0, 300]);
  await arrived(address("one"));
});

await step("template", "POST /email/withTemplate", async () => {
  await client.sendEmailWithTemplate({ From, To: address("template"), TemplateAlias: GIVEN.template, TemplateModel: { name: "Jo" } });
  assert.equal((await arrived(address("template"))).subject, "Welcome, Jo");
});

await step("template", "POST /email/batchWithTemplates", async () => {
  const item = { From, To: address("each"), TemplateAlias: GIVEN.template, TemplateModel: { name: "Jo" } };
  const answers = await client.sendEmailBatchWithTemplates([item, { ...item, TemplateAlias: "none" }]);
  assert.deepEqual(answers.map((answer) => answer.ErrorCode), [0, 1101]);
});

await step("templates", "GET /templates, GET /templates/{id}", async () => {
  const { Templates, TotalCount } = await client.getTemplates();
  const row = Templates.find((each) => each.Alias === GIVEN.template);
  assert.ok(row && TotalCount >= 1 && row.Active && Number.isInteger(row.TemplateId));
  const found = await client.getTemplate(row.TemplateId);
  assert.deepEqual([found.Alias, found.TemplateType], [GIVEN.template, "Standard"]);
  assert.equal((await client.getTemplate(GIVEN.template)).TemplateId, row.TemplateId);
  await client.sendEmailWithTemplate({ From, To: address("byid"), TemplateId: row.TemplateId, TemplateModel: { name: "Jo" } });
});

await partial("templates", "POST /templates, PUT /templates/{id}", "placeholders, not blocks", async () => {
  const made = await client.createTemplate({ Name: "New", Alias: "new", Subject: "Hi {{name}}", HtmlBody: "<p>{{{name}}}</p>" });
  assert.ok(made.Active && Number.isInteger(made.TemplateId));
  await client.editTemplate(made.TemplateId, { Subject: "Hello {{name}}" });
  await client.sendEmailWithTemplate({ From, To: address("written"), TemplateId: made.TemplateId, TemplateModel: { name: "Jo" } });
  assert.equal((await arrived(address("written"))).subject, "Hello Jo");
  const error = await rejected(() => client.editTemplate("new", { HtmlBody: "{{#each items}}x{{/each}}" }));
  assert.ok(error.message.includes("{{#each items"), error.stack);
});

await step("templates", "DELETE /templates/{id}", async () => {
  assert.ok((await client.deleteTemplate("new")).Message.includes("removed"));
});

await step("templates", "POST /templates/validate", async () => {
  const found = await client.validateTemplate({ Subject: "Hi {{name}}", HtmlBody: "<p>{{ oh", TestRenderModel: { name: "Jo" } });
  assert.deepEqual([found.AllContentIsValid, found.Subject.RenderedContent, found.HtmlBody.ContentIsValid], [false, "Hi Jo", false]);
});

await step("get", "GET /messages/outbound/{id}/details", async () => {
  const found = await client.getOutboundMessageDetails(sent.MessageID);
  assert.deepEqual([found.MessageID, found.Tag, found.Metadata], [sent.MessageID, "receipt", { order: "7" }]);
  assert.deepEqual(found.Recipients.sort(), [address("cc"), address("send")].sort());
});

await step("list", "GET /messages/outbound", async () => {
  const { Messages, TotalCount } = await client.getOutboundMessages({ recipient: address("send"), tag: "receipt" });
  assert.deepEqual([TotalCount, Messages[0].MessageID], [1, sent.MessageID]);
});

await step("bounce", "GET /bounces, GET /bounces/{id}, PUT /bounces/{id}/activate, GET /bounces/{id}/dump", async () => {
  const { TotalCount } = await client.getBounces({ count: 10, fromDate: "2026-01-01", toDate: "2999-01-01" });
  assert.equal(TotalCount, 0);
  for (const call of ["getBounce", "activateBounce", "getBounceDump"]) {
    assert.equal((await rejected(() => client[call](1))).statusCode, 404);
  }
});

await step("bounce", "GET /deliverystats", async () => {
  const stats = await client.getDeliveryStatistics();
  assert.equal(stats.Bounces[0].Name, "All");
});

await step("stream", "POST /message-streams, GET /message-streams, GET /message-streams/{id}", async () => {
  const made = await client.createMessageStream({ ID: "node-news", Name: "News", MessageStreamType: "Broadcasts" });
  assert.equal(made.ID, "node-news");
  assert.ok((await client.getMessageStreams()).MessageStreams.some((stream) => stream.ID === "node-news"));
  assert.equal((await client.getMessageStream("node-news")).MessageStreamType, "Broadcasts");
  await client.archiveMessageStream("node-news");
});

await step("suppression", "POST /message-streams/{id}/suppressions, GET /message-streams/{id}/suppressions/dump", async () => {
  const entry = { Suppressions: [{ EmailAddress: address("gone") }, { EmailAddress: "nobody" }] };
  const made = await client.createSuppressions("outbound", entry);
  assert.deepEqual(made.Suppressions.map((each) => each.Status), ["Suppressed", "Failed"]);
  const { Suppressions } = await client.getSuppressions("outbound", { emailAddress: address("gone") });
  assert.deepEqual(Suppressions.map((each) => [each.SuppressionReason, each.Origin]), [["ManualSuppression", "Customer"]]);
  const answer = await client.sendEmail(build("gone"));
  assert.ok(answer.Message.includes("inactive"), answer.Message);
  const gone = await client.deleteSuppressions("outbound", { Suppressions: [{ EmailAddress: address("gone") }] });
  assert.equal(gone.Suppressions[0].Status, "Deleted");
});

await partial("suppression", "POST /message-streams/{id}/suppressions/delete", "opt-outs stay", async () => {
  const wrong = await client.deleteSuppressions("outbound", { Suppressions: [{ EmailAddress: "nobody" }] });
  assert.equal(wrong.Suppressions[0].Status, "Failed");
});

await unsupported("other", "everything else", "", async () => {
  const error = await rejected(() => client.getServer());
  assert.ok(error instanceof Errors.PostmarkError && error.statusCode === 404, error.stack);
});

await step("error", "POST /email", async () => {
  const error = await rejected(() => client.sendEmail(build("error", { To: "nobody" })));
  assert.ok(error instanceof Errors.ApiInputError, error.stack);
  assert.deepEqual([error.code, error.statusCode], [300, 422]);
  const other = await rejected(() => connect("wrong").sendEmail(build("error")));
  assert.ok(other instanceof Errors.InvalidAPIKeyError, other.stack);
  assert.equal(other.code, 10);
});

await step("rate limit", "POST /email", async () => {
  const low = connect(GIVEN.low_key);
  const error = await untilLimited(() => low.sendEmail(build("limit")));
  assert.ok(error instanceof Errors.RateLimitExceededError, error.stack);
});
