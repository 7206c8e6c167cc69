/** Starts the console. */
import { createLastmile } from "@lastmile/client/vue";
import { createApp } from "vue";
import App from "./App.vue";
import { link } from "./state/link.ts";
import "./style.css";

createApp(App).use(createLastmile({ link })).mount("#app");
