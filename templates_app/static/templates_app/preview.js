"use strict";

// Shows what is being written as it would look; the page is shown in a frame that may neither run nor send anything.
document.addEventListener("DOMContentLoaded", () => {
  const section = document.querySelector(".template-preview");
  const form = document.querySelector("#template_form");
  if (!section || !form) return;
  const find = (selector) => section.querySelector(selector);
  const variables = find("#template-preview-variables");
  const errors = find(".template-preview-errors");
  const fields = ["project", "subject", "html", "text", "mjml", "layout", "inline_css"];
  let waiting = 0;
  let asked = 0;

  function read() {
    const body = new FormData();
    const written = new FormData(form);
    for (const name of fields) if (written.has(name)) body.set(name, written.get(name));
    body.set("variables", variables.value);
    if (section.dataset.template) body.set("template", section.dataset.template);
    return body;
  }

  function show(answer) {
    const wrong = answer.errors || [];
    errors.hidden = wrong.length === 0;
    errors.replaceChildren(...wrong.map(([field, message]) => {
      const item = document.createElement("li");
      item.textContent = field ? `${field}: ${message}` : message;
      return item;
    }));
    if (wrong.length) return;
    find(".template-preview-subject").textContent = answer.subject;
    find(".template-preview-text").textContent = answer.text;
    find("iframe").srcdoc = answer.document;
  }

  async function refresh() {
    const turn = ++asked;
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    try {
      const response = await fetch(section.dataset.previewUrl, {
        method: "POST", body: read(), headers: { "X-CSRFToken": token },
      });
      const answer = response.ok ? await response.json() : { errors: [["", `The server answered ${response.status}.`]] };
      // A slow answer must not hide what was asked later.
      if (turn === asked) show(answer);
    } catch {
      if (turn === asked) show({ errors: [["", "The server cannot be reached."]] });
    }
  }

  function refreshSoon() {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 400);
  }

  form.addEventListener("input", refreshSoon);
  form.addEventListener("change", refreshSoon);
  variables.addEventListener("input", refreshSoon);
  refresh();
});
