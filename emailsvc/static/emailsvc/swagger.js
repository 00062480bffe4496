"use strict";

// Swagger UI has a dark look, but follows the system only when told.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const place = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: place.dataset.schemaUrl,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 2,
  displayRequestDuration: true,
  filter: false,
  // A key stays in this tab: it is not left behind in the browser.
  persistAuthorization: false,
  tryItOutEnabled: false,
  validatorUrl: null,
  // What is tried out goes to where this page came from, under whichever of the service's names that was.
  requestInterceptor(request) {
    const { pathname, search } = new URL(request.url, location);
    request.url = location.origin + pathname + search;
    return request;
  },
});
