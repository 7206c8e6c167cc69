import { createClient, createLink } from "@lastmile/client";
import { TopicService } from "./api/lastmile/v1/topic";

export const link = createLink({ transports: ["sse", "poll"] });
export const topics = createClient(TopicService, link);
// edit 0
