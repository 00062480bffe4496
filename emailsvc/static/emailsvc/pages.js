// The landing page's small helpers: whether the service is ready, and buttons that copy a sample.

async function showState(place) {
  const words = place.querySelector("span");
  try {
    const answer = await fetch("/readyz", { cache: "no-store" });
    const { checks } = await answer.json();
    const wrong = Object.entries(checks).filter(([, check]) => check.status !== "ok");
    place.dataset.state = answer.ok ? (wrong.length ? "warning" : "ready") : "failed";
    words.textContent = wrong.length ? wrong.map(([name, check]) => `${name}: ${check.detail}`).join("; ") : "Ready to send";
  } catch {
    place.dataset.state = "failed";
    words.textContent = "The service does not answer";
  }
}

function addCopyButton(sample) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(sample.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  sample.append(button);
}

const state = document.getElementById("state");
if (state) showState(state);
// The clipboard is there only over https and on loopback.
if (navigator.clipboard) document.querySelectorAll("pre[data-sample]").forEach(addCopyButton);
