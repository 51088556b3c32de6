using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser;

/// <summary>The driver's memory as this connection knows it: regions, the log of what is written, translations in front.</summary>
internal sealed class DriverMemory : IDisposable
{
    private readonly NegotiatedFeatures _features;
    private GuardedMapping? _logMapping;
    private DirtyLog? _log;

    /// <summary>Begins without memory.</summary>
    /// <param name="features">What was negotiated.</param>
    /// <param name="ask">Asks the front-end for a translation; called by queue loops.</param>
    public DriverMemory(NegotiatedFeatures features, Action<GuestAddress, MemoryAccess> ask)
    {
        _features = features;
        Translations = new(ask);
    }

    /// <summary>The regions.</summary>
    public MemoryTable Table { get; } = new();

    /// <summary>The translations, used when the driver accepted ACCESS_PLATFORM.</summary>
    public Iotlb Translations { get; }

    /// <summary>Where writes are recorded now, or null.</summary>
    public DirtyLog? Log => _features.IsLogging ? _log : null;

    /// <summary>Whether the driver's addresses have to be translated.</summary>
    public bool IsTranslated => _features.AcceptedByDriver.Contains(CoreFeature.AccessPlatform);

    /// <summary>All of it as guest memory, which must not be used after a change.</summary>
    public GuestMemory ToGuestMemory()
    {
        MappedMemory memory = Table.ToGuestMemory(Log);
        return IsTranslated ? new TranslatedMemory(Translations, memory) : memory;
    }

    /// <summary>Takes another log. No queue runs.</summary>
    /// <param name="mapping">The log, which becomes this object's.</param>
    public void ReplaceLog(GuardedMapping mapping)
    {
        _logMapping?.Dispose();
        _logMapping = mapping;
        _log = new(mapping.Address, mapping.Length);
    }

    /// <summary>Finds an area of a ring by the address in a message.</summary>
    /// <param name="address">An address of the driver, of the guest or of the front-end, as negotiated.</param>
    /// <param name="result">The address in what <see cref="ToGuestMemory"/> gives.</param>
    /// <returns>False when it is in no region.</returns>
    public bool TryFindRing(ulong address, out GuestAddress result)
    {
        if (IsTranslated)
        {
            result = new(address);
            return true;
        }

        return TryFindGuest(address, out result, out _);
    }

    /// <summary>Notes a translation, in as many pieces as it has regions.</summary>
    /// <returns>False when it is empty, wraps, or does not stay within the regions.</returns>
    public bool TryTranslate(IotlbMessage message)
    {
        ulong left = message.LengthBytes;
        while (left > 0 && TryFindGuest(message.UserAddress, out GuestAddress target, out ulong covered))
        {
            ulong bytes = Math.Min(left, covered);
            MemoryAccess access = (MemoryAccess)message.Permissions & MemoryAccess.ReadWrite;
            if (!Translations.TryMap(new(message.Address), bytes, target, access))
            {
                return false;
            }

            left -= bytes;
            bool wraps = message.Address > ulong.MaxValue - bytes || message.UserAddress > ulong.MaxValue - bytes;
            if (wraps)
            {
                break;
            }

            message.Address += bytes;
            message.UserAddress += bytes;
        }

        return left == 0 && message.LengthBytes > 0;
    }

    /// <summary>Unmaps everything. No queue runs.</summary>
    public void Dispose()
    {
        Table.Dispose();
        _logMapping?.Dispose();
    }

    /// <summary>Finds a guest address by an address of the front-end, or of the guest where that was negotiated.</summary>
    private bool TryFindGuest(ulong address, out GuestAddress result, out ulong lengthBytes) =>
        _features.Has(ProtocolFeature.GuestAddresses)
            ? Table.TryFindGuest(address, out result, out lengthBytes)
            : Table.TryTranslateUser(address, out result, out lengthBytes);
}
