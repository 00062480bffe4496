"use strict";

// The language that a reader chose is shown in every sample, on this page and on the next.
const CHOICE = "emailsvc-docs-language";
const radios = document.querySelectorAll("input[data-language]");

function show(language) {
  for (const radio of radios) if (radio.dataset.language === language) radio.checked = true;
}

for (const radio of radios) {
  radio.addEventListener("change", () => {
    const before = radio.getBoundingClientRect().top;
    show(radio.dataset.language);
    // Samples above may have grown or shrunk: what was pressed stays under the finger.
    scrollBy(0, radio.getBoundingClientRect().top - before);
    localStorage.setItem(CHOICE, radio.dataset.language);
  });
}
show(localStorage.getItem(CHOICE));

// A link into a closed part opens it.
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) target.closest("details")?.setAttribute("open", "");
}
addEventListener("hashchange", openTarget);
openTarget();
