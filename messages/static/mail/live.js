// Keeps a message's page up to date: the server tells that something has changed, and the parts are loaded again.
const page = document.querySelector("[data-live-url]");
if (page) {
  let isLoading = false;
  const refresh = async () => {
    // A question that is open stays.
    if (isLoading || document.querySelector("[popover]:popover-open")) return;
    isLoading = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Requested-With": "live" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
        if (other) part.replaceWith(document.adoptNode(other));
      }
    } finally {
      isLoading = false;
    }
  };
  const stream = new EventSource(page.dataset.liveUrl);
  stream.addEventListener("changed", refresh);
  addEventListener("pagehide", () => stream.close());
}
