import { createLastmile } from "@lastmile/client/vue";
import { createApp } from "vue";
import App from "./App.vue";
import { link } from "./link";

createApp(App).use(createLastmile({ link })).mount("#app");
