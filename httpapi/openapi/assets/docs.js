"use strict";
window.addEventListener("load", () => {
  SwaggerUIBundle({ url: "/api/openapi.yaml", dom_id: "#docs", deepLinking: true, validatorUrl: null, docExpansion: "list" });
});
