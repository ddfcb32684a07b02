"use strict";
// The server may be mounted under a prefix, which this script's address begins with.
const contract = new URL("../api/openapi.yaml", document.currentScript.src).href;
window.addEventListener("load", () => {
  SwaggerUIBundle({ url: contract, dom_id: "#docs", deepLinking: true, validatorUrl: null, docExpansion: "list" });
});
