using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>Translations of the driver's addresses, where an IOMMU stands between driver and memory.</summary>
internal static class IotlbMessages
{
    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [new(FrontEndRequest.IotlbMessage, "IOTLB_MSG", MessageForm.Of<IotlbMessage>(), Handle) { HasReply = true }];

    private static void Handle(VhostUserSession session, Message message)
    {
        if (!session.Memory.IsTranslated)
        {
            throw new ProtocolException("the driver did not accept ACCESS_PLATFORM");
        }

        IotlbMessage translation = message.Read<IotlbMessage>();
        switch (translation.Type)
        {
            case IotlbMessageType.Update:
                session.Reply(Update(session, translation) ? 0ul : 1ul);
                break;
            case IotlbMessageType.Invalidate:
                Invalidate(session, translation);
                session.Reply(0);
                break;
            default:
                throw new ProtocolException(
                    $"type {(byte)translation.Type}, where 2 (update) or 3 (invalidate) was expected"
                );
        }
    }

    private static bool Update(VhostUserSession session, IotlbMessage translation)
    {
        if (!session.Memory.TryTranslate(translation))
        {
            return false;
        }

        // Rings that waited for this can start, and queues that wait with a chain look again.
        session.Rings.UpdateAll();
        session.Rings.LookAgain();
        return true;
    }

    private static void Invalidate(VhostUserSession session, IotlbMessage translation)
    {
        // Requests in flight hold memory that the driver is about to use for something else.
        session.Rings.HaltAll();
        session.Memory.Translations.Unmap(new(translation.Address), translation.LengthBytes);
        session.Rings.UpdateAll();
    }
}
