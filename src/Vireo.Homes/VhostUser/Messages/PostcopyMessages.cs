using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>Post-copy migration: begin, transition, end. The memory that goes with it is among the memory messages.</summary>
internal static class PostcopyMessages
{
    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [
            new(FrontEndRequest.PostcopyAdvise, "POSTCOPY_ADVISE", MessageForm.Empty, Advise)
            {
                Feature = ProtocolFeature.PageFault,
                HasReply = true,
            },
            new(FrontEndRequest.PostcopyListen, "POSTCOPY_LISTEN", MessageForm.Empty, Listen)
            {
                Feature = ProtocolFeature.PageFault,
            },
            new(FrontEndRequest.PostcopyEnd, "POSTCOPY_END", MessageForm.Empty, End)
            {
                Feature = ProtocolFeature.PageFault,
                HasReply = true,
            },
        ];

    private static void Advise(VhostUserSession session, Message message)
    {
        Userfault userfault = session.Postcopy.Advise();
        session.Reply([], userfault.Handle);
    }

    private static void Listen(VhostUserSession session, Message message)
    {
        session.Postcopy.Listen(session.Memory.Table.Count > 0);
        if (message.NeedsReply)
        {
            // QEMU waits for it also where REPLY_ACK was not negotiated.
            session.Reply(0);
        }
    }

    private static void End(VhostUserSession session, Message message)
    {
        session.EndPostcopy();
        session.Reply(0);
    }
}
