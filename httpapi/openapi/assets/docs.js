"use strict";
// The server may be mounted under a prefix, which this script's address begins with.
const contract = new URL("../api/openapi.yaml", document.currentScript.src).href;
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
window.addEventListener("load", () => {
  SwaggerUIBundle({ url: contract, dom_id: "#docs", deepLinking: true, validatorUrl: null, docExpansion: "list" });
});
