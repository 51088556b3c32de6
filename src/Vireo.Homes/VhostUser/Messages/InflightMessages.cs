using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>The record of requests in flight, by which a successor of this process finds what is left to do.</summary>
internal static class InflightMessages
{
    private static readonly int DescriptionBytes = Wire.SizeOf<InflightDescription>();

    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [
            new(FrontEndRequest.GetInflightDescriptor, "GET_INFLIGHT_FD", Form, Get)
            {
                Feature = ProtocolFeature.InflightDescriptor,
                HasReply = true,
            },
            new(FrontEndRequest.SetInflightDescriptor, "SET_INFLIGHT_FD", Form.With(1, 1), Set)
            {
                Feature = ProtocolFeature.InflightDescriptor,
            },
        ];

    private static MessageForm Form => new(DescriptionBytes, DescriptionBytes + InflightDescription.PaddingBytes, 0, 0);

    private static void Get(VhostUserSession session, Message message)
    {
        InflightDescription description = Read(session, message);
        // The layout is known from the driver's features, which come before this.
        description.LengthBytes = InflightRecord.LengthBytes(description, session.Rings.IsPacked);
        description.FileOffset = 0;
        try
        {
            using var file = MemoryFile.Create("vireo-inflight", (long)description.LengthBytes);
            var mapping = MemoryMapping.Map(file.Handle, 0, (nuint)description.LengthBytes, MappingAccess.ReadWrite);
            // Nobody may cut it under our feet.
            file.Seal(MemorySeals.Shrink | MemorySeals.Grow);
            Use(session, new(new GuardedMapping(mapping, null), description));
            Answer(session, message, description, file.Handle);
        }
        catch (LinuxException exception)
        {
            throw new RefusalException(exception.Message, exception);
        }
    }

    private static void Answer(
        VhostUserSession session,
        Message message,
        InflightDescription description,
        SafeFileHandle file
    )
    {
        // As long as the question was: some front-ends expect the padding back.
        Span<byte> reply = stackalloc byte[message.Payload.Length];
        Wire.Write(reply, in description);
        session.Reply(reply, file);
    }

    private static void Set(VhostUserSession session, Message message)
    {
        InflightDescription description = Read(session, message);
        if (description.LengthBytes < InflightRecord.LengthBytes(description, session.Rings.IsPacked))
        {
            throw new ProtocolException(
                $"{description.LengthBytes} bytes are too few for {description.QueueCount} queues of {description.QueueSize}"
            );
        }

        GuardedMapping mapping = SharedFile.Map(
            message.TakeDescriptor(0),
            description.FileOffset,
            description.LengthBytes,
            session.Cut
        );
        Use(session, new(mapping, description));
    }

    private static InflightDescription Read(VhostUserSession session, Message message)
    {
        InflightDescription description = message.Read<InflightDescription>();
        bool isGood =
            description.QueueCount > 0
            && description.QueueCount <= session.Rings.Count
            && description.QueueSize is > 0 and <= SplitRing.SizeMax;
        return isGood
            ? description
            : throw new ProtocolException(
                $"{description.QueueCount} queues of {description.QueueSize}, and the device has {session.Rings.Count}"
            );
    }

    private static void Use(VhostUserSession session, InflightRecord record)
    {
        session.Rings.HaltAll();
        session.Rings.ReplaceInflight(record);
        session.Rings.UpdateAll();
    }
}
