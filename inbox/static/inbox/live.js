// Knowing of new mail: a stream where the server has room for one, else asking every few seconds.

import { STREAM } from "./api.js";
import { find } from "./format.js";

const POLL_MILLISECONDS = 3000;
const RETRY_STREAM_MILLISECONDS = 60_000;
const WORDS = { live: "Live", polling: "Polling", away: "Away" };

function showState(state) {
  const live = find("live");
  if (live.dataset.state === state) return;
  live.dataset.state = state;
  live.querySelector("span").textContent = WORDS[state];
}

// Calls `look` whenever there may be something new, never twice at once, and once more if news came meanwhile.
export function keepLooking(look) {
  let isLooking = false;
  let isWanted = false;
  let timer = 0;

  async function lookNow() {
    isWanted = true;
    if (isLooking) return;
    isLooking = true;
    while (isWanted) {
      isWanted = false;
      try {
        await look();
        if (find("live").dataset.state === "away") showState("polling");
      } catch {
        showState("away");
      }
    }
    isLooking = false;
  }

  function poll() {
    clearInterval(timer);
    timer = setInterval(() => document.hidden || lookNow(), POLL_MILLISECONDS);
    lookNow();
  }

  function listen() {
    const stream = new EventSource(STREAM);
    stream.addEventListener("ready", () => {
      clearInterval(timer);
      showState("live");
      lookNow();
    });
    stream.addEventListener("mail", lookNow);
    stream.addEventListener("error", () => {
      // Between two streams the browser connects again by itself, and `ready` makes up for what was missed.
      if (stream.readyState !== EventSource.CLOSED) return;
      showState("polling");
      poll();
      setTimeout(listen, RETRY_STREAM_MILLISECONDS);
    });
    addEventListener("pagehide", () => stream.close());
  }

  document.addEventListener("visibilitychange", () => document.hidden || lookNow());
  lookNow();
  listen();
  return lookNow;
}
