"use strict";

// Forms that a security key or passkey answers: the page holds the question, and the answer is posted as JSON.
// Binary values travel as base64url.
const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
const toText = (buffer) => {
  const chars = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(chars).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};

const readKeys = (keys) => (keys || []).map((key) => ({ ...key, id: toBytes(key.id) }));

const readOptions = (text) => {
  const options = JSON.parse(text);
  options.challenge = toBytes(options.challenge);
  if (options.user) {
    options.user.id = toBytes(options.user.id);
    options.excludeCredentials = readKeys(options.excludeCredentials);
  } else {
    options.allowCredentials = readKeys(options.allowCredentials);
  }
  return options;
};

const writeAnswer = (credential) => {
  const given = credential.response;
  const response = { clientDataJSON: toText(given.clientDataJSON) };
  if (given.attestationObject) {
    response.attestationObject = toText(given.attestationObject);
    response.transports = given.getTransports ? given.getTransports() : [];
  } else {
    response.authenticatorData = toText(given.authenticatorData);
    response.signature = toText(given.signature);
  }
  const id = toText(credential.rawId);
  return JSON.stringify({ id, rawId: id, type: credential.type, clientExtensionResults: {}, response });
};

const REASONS = {
  InvalidStateError: "This key is registered already.",
  NotAllowedError: "The key was not used in time, or this was cancelled. Try again.",
  NotSupportedError: "This key cannot be used here.",
  SecurityError: "Keys do not work at this page's address.",
};

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-security-key]");
  if (!form) return;
  event.preventDefault();
  const wrong = form.querySelector("[data-wrong]");
  wrong.hidden = true;
  try {
    if (!window.PublicKeyCredential) throw new DOMException("", "NotSupportedError");
    const publicKey = readOptions(form.dataset.options);
    form.elements.answer.value = writeAnswer(await navigator.credentials[form.dataset.securityKey]({ publicKey }));
    form.submit();
  } catch (error) {
    wrong.textContent = REASONS[error.name] || "The browser could not use the key.";
    wrong.hidden = false;
  }
});
