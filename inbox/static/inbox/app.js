// The inbox's page: what is chosen, what was typed, and what came.

import { Gone, deleteMessage, deleteMessages, listMessages, readMessage } from "./api.js";
import { find } from "./format.js";
import { Seen, drawAges, drawList, revealRow } from "./list.js";
import { keepLooking } from "./live.js";
import { showMessage, showNothing, showTabAt, toggleWidth, watchTabs } from "./reader.js";

const PAGE = 50;
const FOLLOW_KEY = "inbox.follow";

const seen = new Seen();
const state = { mails: [], next: null, selected: null, words: "", fresh: new Set(), isFollowing: false, isFirst: true };

function draw() {
  drawList(state.mails, { selected: state.selected, seen, fresh: state.fresh });
  const isEmpty = state.mails.length === 0;
  find("list-empty").hidden = !isEmpty || state.isFirst;
  find("list-empty-title").textContent = state.words ? "Nothing found" : "No mail yet";
  find("list-empty-text").hidden = Boolean(state.words);
  find("more").hidden = !state.next;
  find("delete-all").disabled = isEmpty && !state.words;
  const unseenCount = state.mails.filter((mail) => !seen.has(mail.id)).length;
  document.title = unseenCount ? `(${unseenCount}${state.next ? "+" : ""}) Inbox` : "Inbox";
}

// Fetches as many rows as are shown, at least a page, so that what was deleted elsewhere goes too.
async function look() {
  const { words } = state;
  const limit = Math.min(Math.max(PAGE, state.mails.length), 500);
  const answer = await listMessages({ q: words, limit });
  if (words !== state.words) return;
  const known = new Set(state.mails.map((mail) => mail.id));
  const arrived = state.isFirst ? [] : answer.data.filter((mail) => !known.has(mail.id));
  state.mails = answer.data;
  state.next = answer.next;
  state.fresh = new Set(arrived.map((mail) => mail.id));
  state.isFirst = false;
  draw();
  if (state.isFollowing && arrived.length) choose(arrived[0].id);
}

async function showOlder() {
  if (!state.next) return;
  const answer = await listMessages({ q: state.words, limit: PAGE, after: state.next });
  state.mails = [...state.mails, ...answer.data];
  state.next = answer.next;
  draw();
}

// The address names the chosen message, so that the browser's back button and a copied link work.
function choose(id) {
  if (id && location.hash !== `#${id}`) location.hash = id;
  else if (!id) history.replaceState(null, "", location.pathname);
  show(id);
}

async function show(id) {
  state.selected = id;
  find("panes").classList.toggle("is-reading", Boolean(id));
  if (!id) {
    draw();
    showNothing("Choose a message, or wait for one.");
    return;
  }
  seen.add(id);
  draw();
  revealRow(id);
  try {
    const mail = await readMessage(id);
    if (state.selected === id) await showMessage(mail);
  } catch (error) {
    if (state.selected === id) showNothing(error instanceof Gone ? "This message was deleted." : error.message);
  }
}

function step(distance) {
  const place = state.mails.findIndex((mail) => mail.id === state.selected);
  const next = state.mails[place < 0 ? 0 : place + distance];
  if (next) choose(next.id);
  if (distance > 0 && place + distance >= state.mails.length - 1) showOlder();
}

async function removeSelected() {
  const id = state.selected;
  if (!id) return;
  const place = state.mails.findIndex((mail) => mail.id === id);
  const neighbour = state.mails[place + 1] ?? state.mails[place - 1];
  try {
    await deleteMessage(id);
  } catch (error) {
    if (!(error instanceof Gone)) throw error;
  }
  state.mails = state.mails.filter((mail) => mail.id !== id);
  const isNarrow = getComputedStyle(find("back")).display !== "none";
  choose(neighbour && !isNarrow ? neighbour.id : null);
  lookNow();
}

async function removeAll() {
  await deleteMessages();
  state.mails = [];
  state.next = null;
  choose(null);
  lookNow();
}

function setFollowing(isFollowing) {
  state.isFollowing = isFollowing;
  find("follow").setAttribute("aria-pressed", isFollowing ? "true" : "false");
  try {
    localStorage.setItem(FOLLOW_KEY, isFollowing ? "1" : "");
  } catch {
    /* the page works without */
  }
}

function readFollowing() {
  try {
    return localStorage.getItem(FOLLOW_KEY) === "1";
  } catch {
    return false;
  }
}

function leave() {
  if (state.selected) choose(null);
  else if (state.words) search("");
}

function search(words) {
  find("search").value = words;
  state.words = words.trim();
  lookNow();
}

const KEYS = {
  j: () => step(1),
  ArrowDown: () => step(1),
  k: () => step(-1),
  ArrowUp: () => step(-1),
  1: () => showTabAt(0),
  2: () => showTabAt(1),
  3: () => showTabAt(2),
  4: () => showTabAt(3),
  w: toggleWidth,
  f: () => setFollowing(!state.isFollowing),
  "/": () => find("search").select(),
  "?": () => find("help-dialog").showModal(),
  Delete: removeSelected,
  Escape: leave,
};

function takeKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target === find("search")) {
    if (event.key === "Escape") event.target.blur();
    if (event.key === "ArrowDown" || event.key === "Enter") find("list").querySelector("a")?.focus();
    if (!["Escape", "ArrowDown", "Enter"].includes(event.key)) return;
    if (event.key === "Escape" && state.words) search("");
    event.preventDefault();
    return;
  }
  // Text that is being read scrolls by its own keys.
  if (event.target.closest(".view") && event.key.startsWith("Arrow")) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

watchTabs();
setFollowing(readFollowing());
find("more").addEventListener("click", showOlder);
find("back").addEventListener("click", () => choose(null));
find("delete").addEventListener("click", removeSelected);
find("follow").addEventListener("click", () => setFollowing(!state.isFollowing));
find("help").addEventListener("click", () => find("help-dialog").showModal());
find("delete-all").addEventListener("click", () => {
  find("delete-dialog").returnValue = "";
  find("delete-dialog").showModal();
});
find("delete-dialog").addEventListener("close", (event) => event.target.returnValue === "delete" && removeAll());
let typing = 0;
find("search").addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => search(event.target.value), 150);
});
document.addEventListener("keydown", takeKey);
addEventListener("hashchange", () => show(location.hash.slice(1) || null));
setInterval(drawAges, 20_000);

const lookNow = keepLooking(look);
show(location.hash.slice(1) || null);
