using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>Rings: where they are, when they run, and how both sides notify each other.</summary>
internal static class RingMessages
{
    /// <summary>Bits of the number that comes with a descriptor: the index of the ring.</summary>
    private const ulong IndexMask = 0xff;

    /// <summary>Bit of the number that comes with a descriptor: there is no descriptor.</summary>
    private const ulong NoDescriptor = 0x100;

    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [
            new(FrontEndRequest.SetRingSize, "SET_VRING_NUM", MessageForm.Of<VringState>(), SetSize),
            new(FrontEndRequest.SetRingAddress, "SET_VRING_ADDR", MessageForm.Of<VringAddress>(), SetAddress),
            new(FrontEndRequest.SetRingBase, "SET_VRING_BASE", MessageForm.Of<VringState>(), SetPosition),
            new(FrontEndRequest.GetRingBase, "GET_VRING_BASE", MessageForm.Of<VringState>(), GetPosition)
            {
                HasReply = true,
            },
            new(FrontEndRequest.SetRingKick, "SET_VRING_KICK", MessageForm.Number.With(0, 1), SetKick),
            new(FrontEndRequest.SetRingCall, "SET_VRING_CALL", MessageForm.Number.With(0, 1), SetCall),
            new(FrontEndRequest.SetRingError, "SET_VRING_ERR", MessageForm.Number.With(0, 1), SetError),
            new(FrontEndRequest.SetRingEnable, "SET_VRING_ENABLE", MessageForm.Of<VringState>(), SetEnable),
            new(FrontEndRequest.SetRingEndian, "SET_VRING_ENDIAN", MessageForm.Of<VringState>(), SetByteOrder)
            {
                Feature = ProtocolFeature.CrossEndian,
            },
            new(
                FrontEndRequest.GetRingBaseSkipDrain,
                "GET_VRING_BASE_SKIP_DRAIN",
                MessageForm.Of<VringState>(),
                GetPositionAtOnce
            )
            {
                Feature = ProtocolFeature.GetRingBaseSkipDrain,
                HasReply = true,
            },
            new(FrontEndRequest.RingKick, "VRING_KICK", MessageForm.Of<VringState>(), Kick)
            {
                Feature = ProtocolFeature.InBandNotifications,
            },
        ];

    private static void SetSize(VhostUserSession session, Message message)
    {
        VringState state = message.Read<VringState>();
        session.Rings.SetSize(session.Rings[state.Index], state.Number);
    }

    private static void SetAddress(VhostUserSession session, Message message)
    {
        VringAddress address = message.Read<VringAddress>();
        session.Rings.SetAddress(session.Rings[address.Index], address);
    }

    private static void SetPosition(VhostUserSession session, Message message)
    {
        VringState state = message.Read<VringState>();
        session.Rings.SetPosition(session.Rings[state.Index], state.Number);
    }

    private static void GetPosition(VhostUserSession session, Message message)
    {
        VringState state = message.Read<VringState>();
        state.Number = session.Rings.Stop(session.Rings[state.Index]);
        session.Reply(Wire.Bytes(ref state));
    }

    private static void GetPositionAtOnce(VhostUserSession session, Message message)
    {
        VringState state = message.Read<VringState>();
        state.Number = session.Rings.Suspend(session.Rings[state.Index]);
        session.Reply(Wire.Bytes(ref state));
    }

    private static void SetKick(VhostUserSession session, Message message) =>
        session.Rings.Start(RingOf(session, message), TakeEvent(message));

    private static void SetCall(VhostUserSession session, Message message) =>
        session.Rings.SetCall(RingOf(session, message), TakeEvent(message));

    private static void SetError(VhostUserSession session, Message message) =>
        RingOf(session, message).ReplaceError(TakeEvent(message));

    private static void SetEnable(VhostUserSession session, Message message)
    {
        VringState state = message.Read<VringState>();
        if (state.Number > 1)
        {
            throw new ProtocolException(
                $"ring {state.Index} was enabled with {state.Number}, where 0 or 1 was expected"
            );
        }

        session.Rings.Enable(session.Rings[state.Index], state.Number == 1);
    }

    private static void SetByteOrder(VhostUserSession session, Message message)
    {
        VringState state = message.Read<VringState>();
        session.Rings[state.Index].SetByteOrder(state.Number);
    }

    private static void Kick(VhostUserSession session, Message message) =>
        session.Rings.Kick(session.Rings[message.Read<VringState>().Index]);

    private static Ring RingOf(VhostUserSession session, Message message)
    {
        ulong number = message.Read<ulong>();
        bool hasDescriptor = (number & NoDescriptor) == 0;
        if ((number & ~(IndexMask | NoDescriptor)) != 0 || hasDescriptor != (message.DescriptorCount == 1))
        {
            throw new ProtocolException(
                $"the number {number:x} came with {message.DescriptorCount} descriptors: bits 0 to 7 name the ring, bit 8 says "
                    + "that there is no descriptor"
            );
        }

        return session.Rings[(uint)(number & IndexMask)];
    }

    /// <summary>The event descriptor of the message, or null.</summary>
    private static EventFd? TakeEvent(Message message)
    {
        if (message.DescriptorCount == 0)
        {
            return null;
        }

        try
        {
            return EventFd.Wrap(message.TakeDescriptor(0));
        }
        catch (LinuxException exception)
        {
            throw new ProtocolException(exception.Message, exception);
        }
    }
}
