import { createClient, createLink } from "@lastmile/client";
import { AuthService } from "./api/lastmile/v1/auth";
import { TopicService } from "./api/lastmile/v1/topic";

export const link = createLink();
export const auth = createClient(AuthService, link);
export const topics = createClient(TopicService, link);
