// Words for people, and elements to put them into. Whatever a mail says enters the page as text, never as markup.

export function build(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export const find = (id) => document.getElementById(id);

export function formatSize(bytes) {
  const units = ["B", "KB", "MB"];
  let place = 0;
  while (bytes >= 1000 && place < units.length - 1) {
    bytes /= 1000;
    place += 1;
  }
  return `${place && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[place]}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export function formatAge(iso) {
  const then = new Date(iso);
  const minutes = Math.floor((Date.now() - then) / 60000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  return then.toDateString() === new Date().toDateString() ? CLOCK.format(then) : DAY.format(then);
}

export const formatTime = (iso) => FULL.format(new Date(iso));

// `Ann Lee <ann@x>` → `Ann Lee`; the address where there is no name.
export function nameOf(header) {
  const found = header.match(/^\s*(?:"([^"]*)"|([^"<]*?))\s*<([^<>]*)>\s*$/);
  return found ? found[1] || found[2] || found[3] : header;
}
