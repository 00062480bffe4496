"use strict";

// The clipboard's own interface is only there over https and on loopback; elsewhere the text is marked for the keyboard.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } else {
    getSelection().selectAllChildren(source);
  }
});
