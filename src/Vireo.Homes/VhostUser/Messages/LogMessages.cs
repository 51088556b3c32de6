using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>The log of the pages that the device writes, for migrations.</summary>
internal static class LogMessages
{
    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [
            new(FrontEndRequest.SetLogBase, "SET_LOG_BASE", MessageForm.Of<LogDescription>().With(1, 1), SetBase)
            {
                Feature = ProtocolFeature.LogDescriptor,
                HasReply = true,
            },
            new(FrontEndRequest.SetLogDescriptor, "SET_LOG_FD", new(0, sizeof(ulong), 1, 1), SetDescriptor)
            {
                Feature = ProtocolFeature.LogDescriptor,
            },
        ];

    private static void SetBase(VhostUserSession session, Message message)
    {
        LogDescription log = message.Read<LogDescription>();
        GuardedMapping mapping = SharedFile.Map(
            message.TakeDescriptor(0),
            log.FileOffset,
            log.LengthBytes,
            session.Cut
        );
        session.ChangeMemory(() => session.Memory.ReplaceLog(mapping));
        // The text wants an answer and does not say which; every front-end takes this one.
        session.Reply(0);
    }

    private static void SetDescriptor(VhostUserSession session, Message message)
    {
        try
        {
            session.SetLogEvent(EventFd.Wrap(message.TakeDescriptor(0)));
        }
        catch (LinuxException exception)
        {
            throw new ProtocolException(exception.Message, exception);
        }
    }
}
