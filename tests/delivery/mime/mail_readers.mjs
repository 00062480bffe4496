// Reads mails, one a line in base64, by mailparser and by postal-mime, and writes what each says as a line of JSON.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.argv[2]}/`);
const { simpleParser } = require("mailparser");
const PostalMime = (await import(pathToFileURL(require.resolve("postal-mime")).href)).default;

const box = (one) => [one.name ?? "", one.address ?? ""];
const hex = (content) => Buffer.from(content).toString("hex");
const lists = (value) => (value ? [value].flat().flatMap((each) => each.value.map(box)) : []);

async function byMailparser(raw) {
  const mail = await simpleParser(raw, { skipImageLinks: true, skipTextToHtml: true, skipHtmlToText: true, keepCidLinks: true });
  return {
    from: lists(mail.from),
    to: lists(mail.to),
    cc: lists(mail.cc),
    replyTo: lists(mail.replyTo),
    subject: mail.subject ?? "",
    text: mail.text ?? "",
    html: mail.html || "",
    files: mail.attachments.map((each) => [each.filename ?? "", each.contentType, hex(each.content), each.cid ?? "", each.contentDisposition ?? ""]),
    names: mail.headerLines.map((each) => each.line.split(":")[0]),
    inReplyTo: mail.inReplyTo ?? "",
    references: [mail.references ?? []].flat(),
    messageId: mail.messageId,
  };
}

async function byPostalMime(raw) {
  const mail = await PostalMime.parse(raw, { rfc822Attachments: true, forceRfc822Attachments: true });
  return {
    from: [box(mail.from)],
    to: (mail.to ?? []).map(box),
    cc: (mail.cc ?? []).map(box),
    replyTo: (mail.replyTo ?? []).map(box),
    subject: mail.subject ?? "",
    text: mail.text ?? "",
    html: mail.html ?? "",
    files: mail.attachments.map((each) => [each.filename ?? "", each.mimeType, hex(each.content), (each.contentId ?? "").replace(/[<>]/g, ""), each.disposition ?? ""]),
    names: mail.headers.map((each) => each.originalKey ?? each.key),
    inReplyTo: mail.inReplyTo ?? "",
    references: (mail.references ?? "").split(" ").filter(Boolean),
    messageId: mail.messageId,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const raw = Buffer.from(line, "base64");
  console.log(JSON.stringify({ mailparser: await byMailparser(raw), postalMime: await byPostalMime(raw) }));
}
