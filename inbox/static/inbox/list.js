// The list of messages, newest first.

import { build, find, formatAge, formatTime, nameOf } from "./format.js";

const SEEN_KEY = "inbox.seen";
const SEEN_LIMIT = 1000;

// What was looked at in this browser. Storage may be switched off: then only until the page is closed.
export class Seen {
  constructor() {
    try {
      this.ids = new Set(JSON.parse(localStorage.getItem(SEEN_KEY)) ?? []);
    } catch {
      this.ids = new Set();
    }
  }

  has(id) {
    return this.ids.has(id);
  }

  add(id) {
    if (this.ids.has(id)) return;
    this.ids.add(id);
    this.ids = new Set([...this.ids].slice(-SEEN_LIMIT));
    try {
      localStorage.setItem(SEEN_KEY, JSON.stringify([...this.ids]));
    } catch {
      /* the page works without */
    }
  }
}

function buildRow(mail) {
  const sender = mail.from || mail.mail_from || "(no sender)";
  const time = build("time", { dateTime: mail.received_at, title: formatTime(mail.received_at) });
  const link = build(
    "a",
    { className: "row", href: `#${mail.id}`, draggable: false },
    build("span", { className: "row-from", dir: "auto", textContent: nameOf(sender), title: sender }),
    time,
    build("span", { className: "row-subject", dir: "auto", textContent: mail.subject || "(no subject)" }),
    build("span", { className: "row-to", dir: "auto", textContent: `to ${mail.rcpt_to.join(", ")}` }),
  );
  const item = build("li", {}, link);
  item.dataset.id = mail.id;
  return item;
}

// Makes the rows those of `mails`, and leaves alone the elements that stay: focus and scroll position survive.
export function drawList(mails, { selected, seen, fresh }) {
  const list = find("list");
  const known = new Map([...list.children].map((item) => [item.dataset.id, item]));
  const items = mails.map((mail) => known.get(mail.id) ?? buildRow(mail));
  const kept = new Set(items);
  for (const item of known.values()) if (!kept.has(item)) item.remove();
  items.forEach((item, place) => {
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
  });
  for (const item of items) {
    const { id } = item.dataset;
    item.classList.toggle("is-unseen", !seen.has(id));
    item.classList.toggle("is-fresh", fresh.has(id));
    item.firstChild.setAttribute("aria-current", id === selected ? "true" : "false");
  }
  drawAges();
}

export function drawAges() {
  for (const time of find("list").querySelectorAll("time")) time.textContent = formatAge(time.dateTime);
}

export function revealRow(id) {
  find("list").querySelector(`[data-id="${CSS.escape(id)}"]`)?.scrollIntoView({ block: "nearest" });
}
