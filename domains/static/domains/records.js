"use strict";

// Browsers offer the clipboard API only over https and on loopback.
async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await copyText(button.dataset.copy);
  button.dataset.copied = "";
  button.textContent = "Copied";
  setTimeout(() => {
    delete button.dataset.copied;
    button.textContent = "Copy";
  }, 2000);
});
