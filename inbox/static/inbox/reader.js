// The chosen message and its views.

import { attachmentUrl, htmlUrl, rawUrl, readSource } from "./api.js";
import { build, find, formatSize, formatTime } from "./format.js";

const TABS = ["html", "text", "headers", "source"];
const SHOWN_CHARACTERS = 500_000;
const SHOWN_LINKS = 2000;
const THUMBNAILS = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);
const SANDBOX = "allow-popups allow-popups-to-escape-sandbox";

let shown = null;
let wantedTab = "html";
let drawnSource = null;

function drawPeople(mail) {
  const envelope = `${mail.mail_from || "<>"} → ${mail.rcpt_to.join(", ")}`;
  const lines = [
    ["From", mail.from || "(none)"],
    ["To", mail.to || "(none)"],
    ["Envelope", envelope],
    ["Received", `${formatTime(mail.received_at)} · ${formatSize(mail.size)}`],
  ];
  find("people").replaceChildren(
    ...lines.map(([name, value]) =>
      build("div", {}, build("dt", { textContent: name }), build("dd", { textContent: value, dir: "auto", title: value })),
    ),
  );
}

function buildFile(mail, file) {
  const url = attachmentUrl(mail.id, file.index);
  const name = file.filename || (file.content_id ? `inline: ${file.content_id}` : `part ${file.index + 1}`);
  const picture = THUMBNAILS.has(file.content_type)
    ? build("img", { src: url, alt: "", loading: "lazy" })
    : build("span", { className: "file-kind", textContent: file.content_type.match(/\/(?:x-)?([a-z0-9]{1,4})/)?.[1] ?? "file" });
  return build(
    "li",
    {},
    build(
      "a",
      { href: url, download: file.filename || "", className: "file", title: `${name} (${file.content_type})` },
      picture,
      build("span", { className: "file-name", textContent: name, dir: "auto" }),
      build("span", { className: "file-size", textContent: formatSize(file.size) }),
    ),
  );
}

// Plain text with its web addresses as links.
function linkText(text) {
  const pieces = [];
  let end = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"]{0,2000}[^\s<>".,;:!?')\]]/g)) {
    if (pieces.length > 2 * SHOWN_LINKS) break;
    pieces.push(text.slice(end, match.index));
    pieces.push(build("a", { href: match[0], textContent: match[0], target: "_blank", rel: "noopener noreferrer" }));
    end = match.index + match[0].length;
  }
  return [...pieces, text.slice(end)];
}

function drawHtml(mail) {
  const view = find("view-html");
  if (!mail.html) {
    view.replaceChildren();
    return;
  }
  const frame = build("iframe", { title: "The message's HTML", referrerPolicy: "no-referrer" });
  frame.setAttribute("sandbox", SANDBOX);
  frame.src = htmlUrl(mail.id);
  view.replaceChildren(frame);
}

function cut(text) {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}\n… (cut here; the download has all)` : text;
}

async function drawSource() {
  const mail = shown;
  if (drawnSource === mail.id) return;
  drawnSource = mail.id;
  find("source").textContent = "";
  const source = await readSource(mail.id, SHOWN_CHARACTERS);
  if (shown !== mail) return;
  find("source").textContent = source.isCut ? `${source.text}\n… (cut here; the download has all)` : source.text;
}

export async function showTab(tab) {
  wantedTab = tab;
  const chosen = tab === "html" && !shown.html ? "text" : tab;
  for (const each of TABS) {
    const button = find(`tab-${each}`);
    button.setAttribute("aria-selected", each === chosen ? "true" : "false");
    button.tabIndex = each === chosen ? 0 : -1;
    find(`view-${each}`).hidden = each !== chosen;
  }
  find("tab-html").disabled = !shown.html;
  find("widths").hidden = chosen !== "html";
  if (chosen === "source") await drawSource();
}

export const showTabAt = (place) => (shown && TABS[place] ? showTab(TABS[place]) : null);

export function showWidth(width) {
  find("view-html").dataset.width = width;
  for (const button of find("widths").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.dataset.width === width ? "true" : "false");
  }
}

export function toggleWidth() {
  showWidth(find("view-html").dataset.width === "phone" ? "desktop" : "phone");
}

export async function showMessage(mail) {
  shown = mail;
  drawnSource = null;
  find("reader-empty").hidden = true;
  find("message").hidden = false;
  find("subject").textContent = mail.subject || "(no subject)";
  find("download").href = rawUrl(mail.id);
  drawPeople(mail);
  find("files").replaceChildren(...mail.attachments.slice(0, 200).map((file) => buildFile(mail, file)));
  find("warnings").replaceChildren(...mail.warnings.map((words) => build("li", { textContent: words })));
  find("text").replaceChildren(...(mail.text ? linkText(cut(mail.text)) : ["(no text part)"]));
  find("headers").replaceChildren(
    ...mail.headers.map(([name, value]) =>
      build("tr", {}, build("th", { scope: "row", textContent: name }), build("td", { textContent: value, dir: "auto" })),
    ),
  );
  for (const tab of TABS) find(`view-${tab}`).scrollTop = 0;
  drawHtml(mail);
  await showTab(wantedTab);
}

export function showNothing(words) {
  shown = null;
  find("message").hidden = true;
  find("view-html").replaceChildren();
  find("reader-empty").hidden = false;
  find("reader-empty-text").textContent = words;
}

// Arrow keys move between the tabs, as in every tab list.
export function watchTabs() {
  for (const tab of TABS) find(`tab-${tab}`).addEventListener("click", () => showTab(tab));
  document.querySelector(".tabs").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const open = TABS.filter((tab) => !find(`tab-${tab}`).disabled);
    const place = open.findIndex((tab) => find(`tab-${tab}`) === document.activeElement);
    const next = open[(place + step + open.length) % open.length];
    find(`tab-${next}`).focus();
    showTab(next);
    event.preventDefault();
    event.stopPropagation();
  });
  for (const button of find("widths").querySelectorAll("button")) {
    button.addEventListener("click", () => showWidth(button.dataset.width));
  }
}
