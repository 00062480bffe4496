"use strict";

// Asks the provider once the page is there, so that a slow provider does not delay the page.
const PATIENCE_MS = 15000;

async function askProvider(place) {
  const words = place.querySelector("[data-words]");
  try {
    const answer = await fetch(place.dataset.url, { signal: AbortSignal.timeout(PATIENCE_MS), redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    place.dataset.state = found.state;
    words.textContent = found.text;
  } catch (error) {
    place.dataset.state = "unknown";
    const isLate = error.name === "TimeoutError";
    words.textContent = isLate ? `No answer within ${PATIENCE_MS / 1000} s.` : "It could not be asked. Use Test now.";
  }
}

// The script stands in the head.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-provider-health]").forEach(askProvider);
});
