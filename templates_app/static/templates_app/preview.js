"use strict";

// Shows what is being written as it would look. The page itself is posted for by the frame, which may neither run nor
// send anything and has a policy of its own.
document.addEventListener("DOMContentLoaded", () => {
  const section = document.querySelector(".template-preview");
  const form = document.querySelector("#template_form");
  if (!section || !form) return;
  const find = (selector) => section.querySelector(selector);
  const variables = find("#template-preview-variables");
  const locale = find("#template-preview-locale");
  const errors = find(".template-preview-errors");
  const names = ["project", "subject", "html", "text", "mjml", "locales", "default_locale", "layout", "inline_css"];
  let waiting = 0;
  let asked = 0;

  function read() {
    const body = new FormData();
    const written = new FormData(form);
    for (const name of names) if (written.has(name)) body.set(name, written.get(name));
    body.set("variables", variables.value);
    body.set("preview_locale", locale.value);
    body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    if (section.dataset.template) body.set("template", section.dataset.template);
    return body;
  }

  function fillFrame(body) {
    const post = document.createElement("form");
    post.method = "post";
    post.enctype = "multipart/form-data";
    post.action = section.dataset.frameUrl;
    post.target = find("iframe").name;
    post.hidden = true;
    for (const [name, value] of body) {
      const field = document.createElement("textarea");
      field.name = name;
      field.value = value;
      post.append(field);
    }
    document.body.append(post);
    post.submit();
    post.remove();
  }

  function show(answer, body) {
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
    fillFrame(body);
  }

  async function refresh() {
    const turn = ++asked;
    const body = read();
    let answer;
    try {
      const response = await fetch(section.dataset.previewUrl, { method: "POST", body });
      answer = response.ok ? await response.json() : { errors: [["", `The server answered ${response.status}.`]] };
    } catch {
      answer = { errors: [["", "The server cannot be reached."]] };
    }
    // A slow answer must not hide what was asked later.
    if (turn === asked) show(answer, body);
  }

  function refreshSoon() {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 400);
  }

  form.addEventListener("input", refreshSoon);
  form.addEventListener("change", refreshSoon);
  variables.addEventListener("input", refreshSoon);
  locale.addEventListener("input", refreshSoon);
  refresh();
});
