using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>Who is there, and what both sides can do.</summary>
internal static class FeatureMessages
{
    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [
            new(FrontEndRequest.GetFeatures, "GET_FEATURES", MessageForm.Empty, GetFeatures) { HasReply = true },
            new(FrontEndRequest.SetFeatures, "SET_FEATURES", MessageForm.Number, SetFeatures),
            new(FrontEndRequest.SetOwner, "SET_OWNER", MessageForm.Empty, static (_, _) => { }),
            new(FrontEndRequest.ResetOwner, "RESET_OWNER", MessageForm.Empty, ResetOwner),
            new(FrontEndRequest.GetProtocolFeatures, "GET_PROTOCOL_FEATURES", MessageForm.Empty, GetProtocolFeatures)
            {
                HasReply = true,
            },
            new(FrontEndRequest.SetProtocolFeatures, "SET_PROTOCOL_FEATURES", MessageForm.Number, SetProtocolFeatures),
            new(FrontEndRequest.GetQueueCount, "GET_QUEUE_NUM", MessageForm.Empty, GetQueueCount)
            {
                Feature = ProtocolFeature.MultipleQueues,
                IsOfferEnough = true,
                HasReply = true,
            },
            new(FrontEndRequest.SetBackEndSocket, "SET_BACKEND_REQ_FD", MessageForm.Empty.With(1, 1), SetBackEndSocket)
            {
                Feature = ProtocolFeature.BackEndRequests,
            },
        ];

    private static void GetFeatures(VhostUserSession session, Message message) =>
        session.Reply(session.Features.Offered);

    private static void SetFeatures(VhostUserSession session, Message message) =>
        session.SetFeatures(message.Read<ulong>());

    /// <summary>The protocol's text leaves the choice between ignoring this and disabling the rings.</summary>
    private static void ResetOwner(VhostUserSession session, Message message) => session.Rings.DisableAll();

    private static void GetProtocolFeatures(VhostUserSession session, Message message) =>
        session.Reply(session.Features.OfferedProtocol);

    private static void SetProtocolFeatures(VhostUserSession session, Message message) =>
        session.SetProtocolFeatures(message.Read<ulong>());

    private static void GetQueueCount(VhostUserSession session, Message message) =>
        session.Reply((ulong)session.Rings.Count);

    private static void SetBackEndSocket(VhostUserSession session, Message message) =>
        session.SetBackEndSocket(message.TakeDescriptor(0));
}
